import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
var version="0.1.0";export{version};
