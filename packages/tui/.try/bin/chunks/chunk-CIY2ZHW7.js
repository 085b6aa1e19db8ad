import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
