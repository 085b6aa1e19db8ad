import { PilotError } from '@pilot/core/errors'
import { completionScript, shells, type Shell } from '../completion/scripts.ts'
import { defineCommand } from '../command.ts'

export const completion = defineCommand({
  name: 'completion',
  summary: 'Print what completes commands in bash, zsh or fish',
  description: [
    'Completes commands, options, and the names of apps, platforms, projects, environments, deployments and jobs. It asks the server only when that runs, and waits less than a second.',
    'It completes the command `pilot`: see `install-cli`.',
  ],
  arguments: [{ name: '<SHELL>', summary: 'One of bash, zsh and fish.' }],
  without: ['app', 'dir', 'project', 'environment', 'platform'],
  examples: [
    { run: 'eval "$(pilot completion bash)"', summary: 'in ~/.bashrc' },
    { run: 'source <(pilot completion zsh)', summary: 'in ~/.zshrc, below compinit' },
    { run: 'pilot completion fish > ~/.config/fish/completions/pilot.fish', summary: 'once, for fish' },
  ],
  type: 'query',
  needsServer: false,
  async run({ output }, { args: [shell = ''] }) {
    if (!(shells as readonly string[]).includes(shell)) throw new PilotError('USAGE', `There is no completion for ${shell}.`, { suggestion: `\`completion SHELL\` knows ${shells.join(', ')}.` })
    const script = completionScript[shell as Shell]
    output.document({ shell, script })
    if (!output.json) await output.raw(script)
  },
})
