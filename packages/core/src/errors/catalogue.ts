/**
 * Every error that Pilot raises, in one table. `docs/reference/errors.md` is generated from it.
 *
 * A code is part of the public interface (`--json`, the API, scripts): it is added, never renamed.
 * `exit` is the exit code of the command (docs/reference/commands.md), `http` the status of the API.
 */
export interface ErrorEntry {
  /** What happened, in general words; the error itself names the thing and the number. */
  readonly summary: string
  /** What a user can do about it when the error carries no better suggestion. */
  readonly suggestion: string
  /** 1 failed, 2 usage or an answer is needed, 3 held by another owner, 4 app unhealthy, 130 interrupted. */
  readonly exit: 1 | 2 | 3 | 4 | 130
  readonly http: number
  /** The suggestion only says where in the error to look: beside the error itself it is left out. */
  readonly pointsBack?: true
}

const entry = (summary: string, suggestion: string, { exit = 1, http = 500, pointsBack }: { exit?: ErrorEntry['exit']; http?: number; pointsBack?: true } = {}): ErrorEntry => ({
  summary,
  suggestion,
  exit,
  http,
  ...(pointsBack ? { pointsBack } : {}),
})

export const catalogue = {
  // Asking
  USAGE: entry('The command or request is not in the form that Pilot understands.', 'See `--help` of the command.', { exit: 2, http: 400 }),
  ANSWER_NEEDED: entry('The command needs an answer and there is no terminal to ask in.', 'Pass the answer as the flag that the message names, or `--yes`.', { exit: 2, http: 409 }),
  NOT_FOUND: entry('There is no such app, deployment, job or platform.', 'List what exists with `status`, `releases` or `jobs`.', { exit: 2, http: 404 }),
  NOT_ALLOWED_NOW: entry('The action does not fit the state that the app is in.', 'The reason says which state it needs.', { exit: 2, http: 409, pointsBack: true }),
  UNAUTHORIZED: entry('The request carries no valid token.', 'Open the address that Pilot printed, or connect again.', { exit: 1, http: 401 }),

  // Manifest and source
  MANIFEST_INVALID: entry('The manifest has an error.', 'The message names file, line and column, the value found and the valid ones.', { exit: 2, http: 400, pointsBack: true }),
  MANIFEST_MISSING: entry('There is no pilot.yaml in this folder or above it.', 'Run `init` to write one, or `up DIR`.', { exit: 2, http: 400 }),
  NOTHING_DETECTED: entry('Pilot did not recognise how to run this folder.', 'Add a Dockerfile, a package.json with a start script, a Procfile or an index.html, or write `build:` in pilot.yaml.', { exit: 2, http: 400 }),
  SOURCE_UNREADABLE: entry('The source could not be read.', 'The message names the path and the reason.', { http: 400, pointsBack: true }),

  // Machine
  ENGINE_NOT_INSTALLED: entry('No Docker engine is installed.', 'Install Docker (Debian: `apt install docker.io`), or set up with `--runtime process`.'),
  ENGINE_STOPPED: entry('The Docker engine is installed but does not answer.', 'Start it (`systemctl start docker`, or open Docker Desktop).'),
  ENGINE_DENIED: entry('The Docker engine refuses this user.', 'Add the user to the group `docker` (`sudo usermod -aG docker USER`), log in again, and run `server stop --all`: what runs has the old groups.'),
  ENGINE_REMOTE: entry('The Docker engine is on another machine.', 'Unset DOCKER_HOST or choose a local context (`docker context use default`); for a server of your own see `setup`.'),
  CHECK_FAILED: entry('Something that a platform needs is missing or does not work; nothing was changed.', 'The message names it and its fix; `doctor` checks everything.'),
  BUILDER_LACKS: entry('The Dockerfile needs something that the builder on this machine does not have.', 'Install buildx (Debian: `apt install docker-buildx`), or remove what the message names.'),
  PORT_TAKEN: entry('A port that Pilot needs is in use by another program.', 'Stop that program, or let Pilot choose another port.'),
  HOME_UNUSABLE: entry('The Pilot home cannot be used.', 'Check owner, permissions and free space, or set PILOT_HOME.'),
  DISK_FULL: entry('There is not enough free disk space.', 'Free some space; the message names where and how much.'),
  NOTIFICATION_FAILED: entry('A notification did not get to where it should.', 'Check the address and whether it can be reached from this machine; `notifications list` shows the last error of each channel.', { http: 502 }),
  SERVER_UNREACHABLE: entry('The Pilot server of this home does not answer.', 'See `server logs`; `server stop` and any command start it again.'),
  DATABASE_UNREACHABLE: entry('The database in which Pilot keeps its history does not answer; apps run on.', 'Wait a moment and run the command again; if it stays so, see `server status` and `server logs`.', { http: 503 }),
  TRUST_NEEDED: entry('This code would run on this machine without isolation.', 'Add `--trust` if you trust it, or set up with Docker.', { exit: 2, http: 409 }),

  PACK_UNAVAILABLE: entry('`pack`, which builds with Cloud Native Buildpacks, is not on this machine, or is too old.', 'Install it (https://buildpacks.io/docs/install-pack), or take `build: buildpack` out of pilot.yaml.'),
  IMAGE_UNAVAILABLE: entry('The image is not on this machine and cannot be pulled.', 'Check its name, and that this machine reaches the registry; `docker login` if it is private.', { http: 502 }),
  WRONG_ARCHITECTURE: entry('The image is made for another kind of machine than the one it would run on.', 'Use an image for this architecture, or a tag or digest that has several.', { exit: 2, http: 409 }),
  NEEDS_CONTAINERS: entry('The app needs containers, and this platform runs processes.', 'Set the platform up for containers while no app is deployed on it: `setup local --runtime docker`. It needs a Docker engine.', { exit: 2, http: 409 }),

  CERTIFICATE_FAILED: entry('A certificate could not be had for a domain.', 'See `domains`; what has a certificate keeps it, and it is tried again by itself.', { http: 502 }),

  // Lifecycle
  SECRETS_MISSING: entry('Secrets that the manifest names have no value.', 'Set each with `secret set KEY`.', { exit: 2, http: 409 }),
  SECRET_IN_BUILD_ARGUMENT: entry('A build argument carries the value of a secret.', 'Build arguments stay readable in the image; use a secret mount (`RUN --mount=type=secret`).', { exit: 2, http: 400 }),
  BUILD_FAILED: entry('The build failed.', 'The last lines of the build say why.', { pointsBack: true }),
  UNHEALTHY: entry('The new deployment did not become healthy; the running release was not touched.', 'The message carries status, exit code and last log lines.', { exit: 4, pointsBack: true }),
  RELEASE_COMMAND_FAILED: entry('The release command failed; the running release was not touched.', 'Its last lines say why. Mend it and run `up` again; the manifest or the Procfile names it.'),
  HOOK_FAILED: entry('A hook that runs before a phase failed; the phase was not begun.', 'Its last lines say why. Mend the command, or take the hook out of pilot.yaml.'),
  WRONG_PORT: entry('The app listens on another port than expected; the running release was not touched.', 'Write the port that was found into pilot.yaml, or listen on $PORT.', { exit: 4 }),
  ARTIFACT_GONE: entry('The artifact of that deployment no longer exists.', 'Deploy again from source with `up`.'),
  CANCELLED: entry('The operation was cancelled.', 'Run the command again to start over; what was done is kept.', { exit: 130, http: 409 }),

  // Engine
  HELD: entry('Another owner holds this app or platform.', 'Wait for it to end, or cancel that job.', { exit: 3, http: 409 }),
  LEASE_LOST: entry('The lease was lost to another owner in the middle of the work.', 'Run the command again: it goes on where this one stopped.', { exit: 3, http: 409 }),
  MANAGED_BY_SERVER: entry('A Pilot server manages this app.', 'Use the `pilot` command, or `managedBy` tells whom to ask.', { exit: 3, http: 409 }),
  PLAN_STALE: entry('The approved plan no longer fits what exists.', 'Look at the new plan and approve it.', { exit: 2, http: 409 }),
  NAME_TAKEN: entry('The name is held by something that Pilot did not create.', 'Remove or rename it, or choose another name.'),
  DUPLICATE: entry('Several resources answer to one identity and Pilot cannot tell which to keep.', 'The message lists them; delete the wrong ones by hand.'),
  PROTECTED: entry('A protected resource would be replaced or deleted.', 'Confirm by typing its name, or change the input back.', { exit: 2, http: 409 }),
  ACCESS_DENIED: entry('The provider refuses the credentials.', 'The message names the permission that is missing.', { http: 403, pointsBack: true }),
  BLOCKED: entry('Something still depends on the resource.', 'The message names the blocker; remove it and run again.'),
  RESOURCE_FAILED: entry('The provider reports that the resource failed.', 'The message carries the reason of the provider.', { pointsBack: true }),
  THROTTLED: entry('The provider refused too many calls in a row.', 'Wait a little and run again.'),
  TIMED_OUT: entry('A step took longer than its limit.', 'Run again; what was started is found and finished.'),
  STATE_NEWER: entry('The state was written by a newer Pilot.', 'Upgrade this Pilot; nothing was changed.', { http: 409 }),
  STATE_CORRUPT: entry('The recorded state cannot be read.', 'See `state history` and `state restore`.'),
  SECRET_UNREADABLE: entry('A secret cannot be decrypted.', 'Key file and secrets belong together: restore both from one backup of the home, or set the secret again with `secret set`.'),
  BACKUP_DAMAGED: entry('A backup cannot be read, or is not what was written.', 'Restore another one: `db backups` lists them.'),
  KIND_UNKNOWN: entry('A recorded resource belongs to a provider that is not installed.', 'Install its package with `provider add PACKAGE@VERSION`; the message names package and version.'),
  PROVIDER_UNUSABLE: entry('The package is no provider that this Pilot can use; nothing was changed.', 'Choose another version of it.', { http: 422 }),
  INTERNAL: entry('Something went wrong inside Pilot.', 'Please report it with the details that `--json` prints.'),
} as const satisfies Record<string, ErrorEntry>

/** A closed set: adding a code means adding a row above. */
export type ErrorCode = keyof typeof catalogue
