/* `npm test`: installs what is needed and runs all tests. `--fast` leaves out the slow part (e2e), `--slow` runs it alone. */
'use strict'

require('./start/require-node.cjs')
require('./test/main.cjs')
