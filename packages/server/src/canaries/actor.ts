/** Who asks for what the watcher of canaries decided. */
export const canaryName = 'canary'
