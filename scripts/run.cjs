/* `npm run build`, `lint`, `typecheck`, `docs`, `audit`, `mutants` and `campaign`: installs what is needed first. */
'use strict'

require('./start/require-node.cjs')
require('./start/task.cjs')
