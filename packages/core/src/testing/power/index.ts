/** What a power cut may leave of the files that a program wrote. Apart from the rest of the testing tools: it must be loaded before the modules under test. */
export type { DiskNode, DiskOperation, Entry } from './disk-model.ts'
export { disksAfterCut, marksBefore, writeDisk, type CutOptions, type DiskAfterCut } from './disk-states.ts'
export { installRecordedDisk, type RecordedDisk } from './recorded-disk.ts'
