/** Keys of Kamal's deploy.yml that pilot.yaml has no word for, and what to do instead. Empty: nothing, Pilot does it by itself. */
export const kamalKeys: Readonly<Record<string, string>> = {
  registry: 'Pilot keeps the images itself; the registry and its password are not needed.',
  ssh: 'Servers belong to the platform: `setup`.',
  sshkit: '',
  boot: '',
  minimum_version: '',
  retain_containers: '',
  readiness_delay: '',
  run_directory: '',
  allow_empty_roles: '',
  require_destination: 'Write the environments below `environments:`, and name one with `-e`.',
  primary_role: '',
  drain_timeout: 'Write it as `drain: 30s`, which is the default.',
  asset_path: 'Files of the older version go with it: keep their names hashed, or serve them from a site of their own (`static:`).',
  error_pages_path: 'Pilot has its own pages for an app that does not answer.',
  hooks_path: 'See `hooks:` for commands around the phases.',
  hooks_output: '',
  secrets_path: '',
  labels: 'Labels of containers have no meaning here.',
  logging: 'Pilot keeps the logs: `logs`.',
  output: 'Pilot keeps the logs: `logs`.',
  traefik: 'Of Kamal 1: host names are `domains:`, the port is `port:`.',
  stop_wait_time: 'Open requests have 30 seconds to end.',
}

/** Keys below `proxy`. */
export const kamalProxyKeys: Readonly<Record<string, string>> = {
  ssl: '',
  ssl_redirect: '',
  forward_headers: '',
  logging: '',
  certificate_pem: 'Certificates are the platform\'s.',
  private_key_pem: 'Certificates are the platform\'s.',
  response_timeout: 'Pilot\'s edge has times of its own.',
  buffering: 'Pilot\'s edge does not buffer.',
  path_prefix: 'See `route:` for apps that share a host.',
  path_prefixes: 'See `route:` for apps that share a host.',
  strip_path_prefix: 'See `route:` for apps that share a host.',
}

/** Keys below `builder`. */
export const kamalBuilderKeys: Readonly<Record<string, string>> = {
  arch: '',
  driver: '',
  local: '',
  multiarch: '',
  remote: 'Pilot builds where the app runs.',
  cache: 'Pilot keeps the cache where it builds.',
  target: 'Pilot builds the last stage of the Dockerfile: put the one that you deploy last.',
  secrets: 'Build secrets cannot be given yet: fetch what needs them before the build, or at the start.',
  ssh: 'Builds have no SSH agent.',
  provenance: '',
  sbom: '',
}

/** Keys of a role. */
export const kamalRoleKeys: Readonly<Record<string, string>> = {
  labels: 'Labels of containers have no meaning here.',
  logging: 'Pilot keeps the logs: `logs`.',
  asset_path: 'Files of the older version go with it: keep their names hashed.',
  stop_wait_time: 'Open requests have 30 seconds to end.',
}
