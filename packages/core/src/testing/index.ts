export { defineChecks, type Check, type TestRunner } from './check.ts'
export { defineStoreContract, storeContract, type StoreContractOptions, type StoreUnderTest } from './store-contract.ts'
