/** Parameters of Waypoint's plugins that say the same as a key of pilot.yaml, whichever platform they were for. */
export const waypointParameters: Readonly<Record<string, 'port' | 'env' | 'health' | 'scale' | 'command' | 'memory' | 'memoryMi' | 'cpu' | 'domain' | 'nothing'>> = {
  service_port: 'port',
  port: 'port',
  static_environment: 'env',
  probe_path: 'health',
  replicas: 'scale',
  count: 'scale',
  command: 'command',
  domain_name: 'domain',
  // Waypoint's own business, or done by Pilot.
  buildkit: 'nothing',
  disable_entrypoint: 'nothing',
  disable_ce: 'nothing',
  force_pull: 'nothing',
  use_legacy: 'nothing',
  load_balancer: 'nothing',
  region: 'nothing',
  location: 'nothing',
  project: 'nothing',
  cluster: 'nothing',
  namespace: 'nothing',
  datacenter: 'nothing',
  unauthenticated: 'nothing',
}

/** Of blocks inside `use`, as `block.parameter`. */
export const waypointBlocks: Readonly<Record<string, 'cpu' | 'memory' | 'memoryMi' | 'min' | 'max' | 'health'>> = {
  'capacity.memory': 'memoryMi',
  'capacity.cpu_count': 'cpu',
  'auto_scaling.min': 'min',
  'auto_scaling.max': 'max',
  'autoscale.min_replicas': 'min',
  'autoscale.max_replicas': 'max',
  'memory.limit': 'memory',
  'cpu.limit': 'cpu',
  'resources.memorymb': 'memoryMi',
  'resources.memory': 'memory',
  'health_check.path': 'health',
}

/** Blocks of the file that pilot.yaml has no word for. */
export const waypointFileBlocks: Readonly<Record<string, string>> = {
  runner: 'The runner is Pilot\'s server: nothing to configure.',
  plugin: 'Plugins of Waypoint do not run here.',
  pipeline: 'Write the steps as a script: every command has `--json` and an exit code.',
  labels: 'Apps have no labels.',
}

/** What builds that have no counterpart ask for. */
export const waypointBuilders: Readonly<Record<string, string>> = {
  'aws-ami': 'Machine images are not built.',
  'aws-ecr-pull': 'Write `image:` with the full name.',
  'docker-ref': 'Write `image:` with the full name.',
  'nomad-jobspec': 'Job specifications are not read.',
  archive: 'Sites are `static:`, with `output:` as the folder of the finished files.',
  files: 'Sites are `static:`, with `output:` as the folder of the finished files.',
}
