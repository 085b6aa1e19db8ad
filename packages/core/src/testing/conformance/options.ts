import type { ArtifactReference } from '../../provider/compute-specs.ts'
import type { Graph } from '../../provider/graph.ts'
import type { AppIdentity, Target } from '../../provider/app-identity.ts'
import type { AnyProvider } from '../../provider/provider.ts'
import type { SecretRef } from '../../provider/value.ts'

export interface ProviderConformanceOptions<E extends ConformanceEnvironment = ConformanceEnvironment> {
  readonly provider: AnyProvider
  /** Called once, before the first check: starts the stub server, the engine or whatever the provider talks to. */
  setUp(): Promise<E>
  /** At least one for every kind; several where a kind behaves in several ways. */
  readonly samples: readonly KindSample<E>[]
  /** Kinds that no test environment can make, each with its reason; they are shown as skipped. */
  readonly withoutSample?: Readonly<Record<string, string>>
  /** What blueprints are given to run, by target; default: an artifact that need not exist, since blueprints are pure. */
  readonly artifacts?: Partial<Readonly<Record<Target, ArtifactReference>>>
}

/** May carry more, which samples then see: the address of a stub, the digest of an image. */
export interface ConformanceEnvironment {
  /** As the wizard would store them; parsed with the provider's schema. */
  readonly settings: unknown
  /** A folder of its own in place of PILOT_HOME. */
  readonly home: string
  tearDown(): Promise<void>
}

/** A resource of one kind, with what it needs to exist. */
export interface KindSample<E extends ConformanceEnvironment = ConformanceEnvironment> {
  readonly kind: string
  /** Tells several samples of one kind apart. */
  readonly title?: string
  /** The resource is the last one; what it needs comes before it, referred to as in a blueprint: `ref('network').output('id')`. */
  graph(context: SampleContext<E>): Graph
  /** Why the environment holds only one at a time (a fixed port): checks with a second platform are then skipped. */
  readonly single?: string
  /** Inputs that a second version of the resource has instead; required for one sample of each kind that can update. */
  change?(context: SampleContext<E>): Readonly<Record<string, unknown>>
  /** Inputs with which it fails for reasons of its own (a command that ends): for kinds that run what people wrote. */
  fails?(context: SampleContext<E>): Readonly<Record<string, unknown>>
}

export interface SampleContext<E extends ConformanceEnvironment = ConformanceEnvironment> {
  readonly environment: E
  readonly app: AppIdentity
  /** Fresh for every check, [a-z0-9]{8}. */
  readonly unique: string
  /** A secret; use it where the kind takes one, and the suite watches that it does not come out anywhere. */
  readonly secret: SecretRef
}
