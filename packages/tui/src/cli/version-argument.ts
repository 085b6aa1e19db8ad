import { PilotError } from '@pilot/core/errors'

/** `[APP] [vN]` in either number: the one that looks like a version is the version. */
export function splitVersion(args: readonly string[]): { app: string | undefined; version: number | undefined } {
  const versions = args.filter(isVersion)
  const names = args.filter((arg) => !isVersion(arg))
  if (versions.length > 1 || names.length > 1) throw new PilotError('USAGE', `One app and one version at most, not ${args.join(' ')}.`)
  return { app: names[0], version: versions[0] === undefined ? undefined : Number(versions[0].replace(/^v/, '')) }
}

const isVersion = (text: string): boolean => /^v?\d{1,9}$/.test(text)
