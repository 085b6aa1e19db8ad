/**
 * What Compose puts in for `${NAME}`: here only defaults are known, since the values stand in a shell or in .env. `unset` names
 * those without a default; `$$` is a dollar.
 */
export function interpolated(text: string): { readonly text: string; readonly unset: readonly string[] } {
  const unset: string[] = []
  const result = text.replaceAll(/\$\$|\$\{(\w+)(?:(:?[-?+])([^}]*))?\}|\$([A-Za-z_]\w*)/g, (whole, braced: string | undefined, operator: string | undefined, rest: string | undefined, bare: string | undefined) => {
    if (whole === '$$') return '$'
    if (operator?.endsWith('-')) return rest ?? ''
    if (operator?.endsWith('+')) return ''
    unset.push((braced ?? bare)!)
    return whole
  })
  return { text: result, unset }
}
