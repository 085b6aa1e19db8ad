import * as z from 'zod'

/** What `setup local` asks and `--runtime` sets; recorded then, never changed silently. */
export const settings = z.object({
  runtime: z
    .enum(['docker', 'process'])
    .default('docker')
    .describe('How apps run: in containers (needs a Docker engine on this machine), or as plain processes, which are not isolated from each other'),
})

export type Settings = z.output<typeof settings>
