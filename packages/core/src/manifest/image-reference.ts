/** `ghcr.io/acme/auth:3@sha256:…`, taken apart as registries and engines do. */
export interface ImageReference {
  /** Host and port; undefined: the engine's own default, Docker Hub. */
  readonly registry?: string
  /** With the registry, without tag and digest: `ghcr.io/acme/auth`. */
  readonly name: string
  readonly tag?: string
  /** `sha256:…`. With it the tag says nothing any more. */
  readonly digest?: string
}

const part = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*'
const host = '(?:localhost|[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:\\d))(?::\\d{1,5})?'
/** The grammar of the OCI distribution specification, with `sha256` as the only digest. */
export const imageRule = new RegExp(`^(?:(${host})/)?(${part}(?:/${part})*)(?::(\\w[\\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`)

/** Undefined when it is no image reference. */
export function parseImageReference(text: string): ImageReference | undefined {
  const [, registry, path, tag, digest] = imageRule.exec(text) ?? []
  if (path === undefined) return undefined
  return { ...(registry === undefined ? {} : { registry }), name: registry === undefined ? path : `${registry}/${path}`, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) }
}
