/** Providers that come with Pilot; each is loaded when it is needed, so that nobody pays for a cloud that he does not use. */
export const builtInProviders: Readonly<Record<string, { readonly package: string; load(): Promise<{ readonly default: unknown }>; manifest(): Promise<{ readonly default: unknown }> }>> = {
  local: {
    package: '@pilot/provider-local',
    load: () => import('@pilot/provider-local') as Promise<{ readonly default: unknown }>,
    manifest: () => import('@pilot/provider-local/package.json', { with: { type: 'json' } }),
  },
}
