/* `npm run build`, `lint`, `typecheck` and `docs`: installs what is needed first. */
'use strict'

require('./start/require-node.cjs')
require('./start/task.cjs')
