export { local as default } from './provider.ts'
