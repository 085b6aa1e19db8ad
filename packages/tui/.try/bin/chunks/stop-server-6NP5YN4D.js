import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
import{serverService,stopEverything,stopServer}from"./chunk-YSDONYCG.js";import"./chunk-SQWEJQRZ.js";import"./chunk-GNDOI2BN.js";export{serverService,stopEverything,stopServer};
