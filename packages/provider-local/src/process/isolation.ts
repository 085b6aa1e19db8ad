/** One line for `doctor`: processes share the machine. `up` says it in the words of the lifecycle. */
export const isolationNotice = (hasOwnUsers: boolean): string =>
  hasOwnUsers
    ? 'Runs as a process of this machine under a user of its own, without the isolation of a container: it sees the network and what every user may read.'
    : 'Runs as a process of this machine under your own user, without isolation: it may do whatever you may.'

/** As root on Linux each app gets a system user. */
export const hasOwnUsers = (): boolean => process.platform === 'linux' && process.getuid?.() === 0
