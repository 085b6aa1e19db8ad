/**
 * How a machine is told to trust a certificate authority, and to forget it: which commands, as data. Nothing is run here.
 */
export interface TrustStep {
  /** For people: who trusts it then. */
  readonly title: string
  /** One after the other, word by word. */
  readonly commands: readonly (readonly string[])[]
  readonly needsRoot: boolean
  /** A copy of the certificate that is there when it is done; absent where only the program knows. */
  readonly file?: string
}

export interface TrustFacts {
  readonly platform: NodeJS.Platform
  /** Whether a program is there. */
  has(program: string): boolean
  /** Of this user. */
  readonly userFolder: string
  /** Folders with a store of certificates of Chromium or Firefox. */
  readonly stores: readonly string[]
  readonly certificate: string
  /** Under which it is known to the stores: unique to the home. */
  readonly name: string
}

export function trustSteps({ platform, has, userFolder, stores, certificate, name }: TrustFacts, { undo = false }: { undo?: boolean } = {}): readonly TrustStep[] {
  const steps: TrustStep[] = []
  const system = platform === 'darwin' ? undefined : linuxStores.find(({ program }) => has(program))
  if (platform === 'darwin') {
    const keychain = `${userFolder}/Library/Keychains/login.keychain-db`
    steps.push({ title: 'macOS, for this user', needsRoot: false, commands: [undo ? ['security', 'remove-trusted-cert', certificate] : ['security', 'add-trusted-cert', '-r', 'trustRoot', '-k', keychain, certificate]] })
  }
  if (system !== undefined) {
    const file = `${system.folder}/${name}.${system.ending}`
    steps.push({ title: 'This machine: curl, Python, Go, Ruby and most others', needsRoot: true, file, commands: undo ? [['rm', '-f', file], system.forget] : [['install', '-m', '644', certificate, file], system.refresh] })
  }
  if (has('certutil')) {
    for (const store of stores) {
      const words = ['certutil', undo ? '-D' : '-A', '-d', `sql:${store}`, '-n', name]
      steps.push({ title: `${store.includes('firefox') ? 'Firefox' : 'Chromium and Chrome'} of this user`, needsRoot: false, commands: [undo ? words : [...words, '-t', 'C,,', '-i', certificate]] })
    }
  }
  return steps
}

const linuxStores = [
  { program: 'update-ca-certificates', folder: '/usr/local/share/ca-certificates', ending: 'crt', refresh: ['update-ca-certificates'], forget: ['update-ca-certificates', '--fresh'] },
  { program: 'update-ca-trust', folder: '/etc/pki/ca-trust/source/anchors', ending: 'pem', refresh: ['update-ca-trust', 'extract'], forget: ['update-ca-trust', 'extract'] },
] as const

/** As it can be typed, where needed as root. */
export function typed({ commands, needsRoot }: TrustStep, { isRoot }: { isRoot: boolean }): readonly string[] {
  return commands.map((words) => `${needsRoot && !isRoot ? 'sudo ' : ''}${words.map(quoted).join(' ')}`)
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
