/* `npm run build`, `npm run lint`, `npm run typecheck`: installs what is needed first. */
'use strict'

require('./start/require-node.cjs')
require('./start/task.cjs')
