export type { AccountControl, CallRecord, CloudConfiguration, CloudRequest, CloudResource } from './account.ts'
export { fakeKinds, type FakeKindsOptions } from './kinds.ts'
export { defineFakeProvider } from './provider.ts'
export { startFakeCloud, type FakeAccount, type FakeCloud } from './start.ts'
