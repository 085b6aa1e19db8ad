import { DockerfileParser, type Dockerfile } from 'dockerfile-ast'

/** What a Dockerfile asks for that the engine's own builder (without buildx) does not know. */
export interface Lack {
  /** Counted from 1. */
  readonly line: number
  readonly feature: string
}

export interface DockerfileNeeds {
  readonly lacks: readonly Lack[]
  /** BuildKit gives these arguments by itself; the engine's builder gets them from us when they are declared. */
  readonly platformArguments: readonly string[]
}

/** The flags that the engine's own builder has always had, by instruction. */
const knownFlags: Readonly<Record<string, readonly string[]>> = {
  FROM: ['platform'],
  COPY: ['from', 'chown'],
  ADD: ['chown'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'retries'],
}

const platformNames = ['TARGETPLATFORM', 'TARGETOS', 'TARGETARCH', 'TARGETVARIANT', 'BUILDPLATFORM', 'BUILDOS', 'BUILDARCH', 'BUILDVARIANT']

/** Pure over the text. A line that this parser does not understand is left to the builder. */
export function dockerfileNeeds(text: string): DockerfileNeeds {
  const dockerfile = DockerfileParser.parse(text)
  return {
    lacks: [...foreignSyntax(dockerfile), ...instructions(dockerfile).flatMap(lacksOf)].sort((a, b) => a.line - b.line),
    platformArguments: [...new Set(dockerfile.getARGs().concat(dockerfile.getInitialARGs()).flatMap((arg) => arg.getProperty()?.getName() ?? []))].filter((name) => platformNames.includes(name)),
  }
}

type Instruction = ReturnType<Dockerfile['getInstructions']>[number]

interface WithFlags extends Instruction {
  getFlags(): readonly { getName(): string; getValue(): string | null }[]
}
/** Protected on other instructions; public where here-documents can be. */
interface WithHeredocs {
  getHeredocs(): readonly { getName(): string }[]
}

/** The plain `docker/dockerfile` frontend says nothing by itself: what it is wanted for shows below. Any other may be a language of its own. */
function foreignSyntax(dockerfile: Dockerfile): readonly Lack[] {
  return dockerfile
    .getDirectives()
    .filter((directive) => directive.getName().toLowerCase() === 'syntax' && !/^(docker\.io\/)?docker\/dockerfile(:1[\w.]*|:latest)?$/.test(directive.getValue()))
    .map((directive) => ({ line: directive.getRange().start.line + 1, feature: `# syntax=${directive.getValue()}` }))
}

const instructions = (dockerfile: Dockerfile): readonly Instruction[] => dockerfile.getInstructions().flatMap((instruction) => [instruction, ...triggered(instruction)])

function triggered(instruction: Instruction): readonly Instruction[] {
  if (!('getTriggerInstruction' in instruction)) return []
  const trigger = (instruction as Instruction & { getTriggerInstruction(): Instruction | null }).getTriggerInstruction()
  return trigger ? [trigger] : []
}

function lacksOf(instruction: Instruction): readonly Lack[] {
  const line = instruction.getRange().start.line + 1
  const keyword = instruction.getKeyword()
  const known = knownFlags[keyword] ?? []
  const flags = 'getFlags' in instruction ? (instruction as WithFlags).getFlags() : []
  const heredocs = ['RUN', 'COPY', 'ADD'].includes(keyword) && 'getHeredocs' in instruction ? (instruction as unknown as WithHeredocs).getHeredocs() : []
  const features = [
    ...flags.filter((flag) => !known.includes(flag.getName())).map((flag) => `${keyword} --${flag.getName()}`),
    ...flags.filter((flag) => keyword === 'FROM' && /\$\{?(BUILD|TARGET)/.test(flag.getValue() ?? '')).map((flag) => `FROM --platform=${flag.getValue()}`),
    ...(heredocs.length > 0 ? [`${keyword} <<${heredocs[0]!.getName()} (a here-document)`] : []),
    ...(keyword === 'ADD' && /(^|\s)(git@\S+|https?:\/\/\S+\.git)(#\S*)?(\s|$)/.test(instruction.getArgumentsContent() ?? '') ? ['ADD of a Git repository'] : []),
  ]
  return features.map((feature) => ({ line, feature }))
}
