/**
 * Keys of a service in a compose.yaml that pilot.yaml has no word for, and what to do instead. An empty text: nothing, since
 * Pilot does it by itself or it only matters to Compose.
 */
export const composeServiceKeys: Readonly<Record<string, string>> = {
  // Pilot does it.
  container_name: '',
  restart: '',
  networks: '',
  pull_policy: '',
  stdin_open: '',
  tty: '',
  init: '',
  annotations: '',
  attach: '',
  // It does not.
  entrypoint: 'Write what starts the app as `command:`, or keep it in the image.',
  working_dir: 'Set WORKDIR in the Dockerfile.',
  user: 'Set USER in the Dockerfile.',
  platform: 'Pilot builds for the machine that the app runs on.',
  privileged: 'Apps run without privileges.',
  cap_add: 'Apps run without further capabilities.',
  cap_drop: 'Apps run with few capabilities anyway.',
  security_opt: 'Pilot sets its own.',
  devices: 'Apps have no devices.',
  sysctls: 'Apps cannot set them.',
  ulimits: 'Pilot sets its own limits.',
  shm_size: 'Apps cannot set it.',
  tmpfs: 'Write to /tmp, or use `volumes:` for what must last.',
  read_only: 'Apps cannot set it.',
  network_mode: 'Each app has a network of its own; `uses:` opens the way to another app.',
  extra_hosts: 'Give the address as a variable in `env:`.',
  dns: 'The machine decides.',
  hostname: 'Other apps reach this one by `uses:`, which gives them its address.',
  ipc: 'Apps share nothing.',
  pid: 'Apps share nothing.',
  labels: 'Addresses are `domains:` and `route:`; other labels have no meaning here.',
  logging: 'Pilot keeps the logs: `logs`.',
  profiles: 'Every app of pilot.yaml is deployed by `up`; name those that you want, or take it out.',
  stop_signal: 'Pilot sends SIGTERM.',
  stop_grace_period: 'Open requests have 30 seconds to end.',
  configs: 'Put the file into the image, or its content into a variable.',
  extends: 'Write out what the other service says.',
  develop: 'Is for `docker compose watch`.',
  post_start: 'Use `release:` for what must run before the traffic.',
  pre_stop: 'Handle SIGTERM in the app.',
  gpus: 'Apps have no devices.',
  provider: 'Runs outside of containers: give its address as a variable.',
  models: 'Give the address of the model as a variable.',
}

/** Keys of the file itself. */
export const composeFileKeys: Readonly<Record<string, string>> = {
  version: '',
  networks: 'Each app has a network of its own; `uses:` opens the way to another app.',
  configs: 'Put the files into the images, or their content into variables.',
  include: 'Import that file too, and join both by hand.',
  models: 'Give the address of the model as a variable.',
}
