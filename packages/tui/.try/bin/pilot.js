#!/usr/bin/env node
import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
import{version}from"./chunks/chunk-VFDDKUSD.js";import"./chunks/chunk-GNDOI2BN.js";import{enableCompileCache}from"node:module";var argv=process.argv.slice(2);if(argv.length===1&&(argv[0]==="--version"||argv[0]==="-V"))process.stdout.write(`${version}
`);else{enableCompileCache?.();let{runProcess}=await import("./chunks/run-process-QEW24FXJ.js");await runProcess(argv)}
