import { contractVersion, defineProvider } from '@pilot/core'
import { check } from './check.ts'
import { connect } from './connect.ts'
import { changeable, settings } from './settings.ts'

export const local = defineProvider({ name: 'local', title: 'This machine', contract: contractVersion, settings, changeable, check, connect })
