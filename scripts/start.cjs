/* `npm start -- …`: installs and builds what is not there yet, then hands over to the command `pilot`. */
'use strict'

require('./start/require-node.cjs')
require('./start/main.cjs')
