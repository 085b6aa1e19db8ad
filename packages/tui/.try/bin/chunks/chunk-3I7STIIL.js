import { createRequire as __pilotRequire } from 'node:module';const require = __pilotRequire(import.meta.url);
import{stripVTControlCharacters}from"node:util";var unsafe=/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;function clean(text){return stripVTControlCharacters(text).replace(/\r\n/g,`
`).replace(unsafe,"").replaceAll("	","  ")}function cleanLine(text){return clean(text).replaceAll(`
`," ").trimEnd()}function safeJson(value,indent){return JSON.stringify(value,void 0,indent).replace(/[\u007f-\u009f]/g,character=>`\\u00${character.charCodeAt(0).toString(16)}`)}export{clean,cleanLine,safeJson};
