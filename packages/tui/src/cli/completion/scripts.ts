export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Thin on purpose: what is offered is decided by the program that is installed, so that a script never grows old. */
export const completionScript: Readonly<Record<Shell, string>> = {
  bash: `# Completion of pilot for bash: eval "$(pilot completion bash)"
_pilot() {
  local line word="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :files) compopt -o default 2>/dev/null; return ;;
      :folders) compopt -o dirnames 2>/dev/null; return ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(pilot __complete "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "$word" 2>/dev/null)
}
complete -F _pilot pilot
`,
  zsh: `#compdef pilot
# Completion of pilot for zsh: source <(pilot completion zsh), after compinit
_pilot() {
  local line
  local -a found
  for line in "\${(@f)$(pilot __complete "\${(@)words[2,CURRENT-1]}" "$words[CURRENT]" 2>/dev/null)}"; do
    case "$line" in
      :files) _files; return ;;
      :folders) _files -/; return ;;
      '') ;;
      *$'\\t'*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      *) found+=("\${line//:/\\\\:}") ;;
    esac
  done
  _describe pilot found
}
if [[ "$funcstack[1]" = _pilot ]]; then
  _pilot "$@"
else
  compdef _pilot pilot
fi
`,
  fish: `# Completion of pilot for fish: pilot completion fish | source
function __pilot_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (pilot __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end
complete -c pilot -f -a '(__pilot_complete)'
`,
}
