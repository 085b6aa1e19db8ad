import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
import{closest}from"./chunk-LUMHKCME.js";import"./chunk-2YEGZEQB.js";import"./chunk-GNDOI2BN.js";export{closest};
