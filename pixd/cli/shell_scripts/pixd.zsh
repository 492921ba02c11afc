#compdef pixd
# Completion of pixd for zsh. To install it for yourself:
#   mkdir -p ~/.zfunc && pixd completions zsh > ~/.zfunc/_pixd
# and in ~/.zshrc, before compinit:  fpath=(~/.zfunc $fpath); autoload -Uz compinit && compinit

_pixd() {
    local line="${(j: :)words[1,CURRENT-1]} $PREFIX" answer paths
    local -a candidates
    for answer in "${(@f)$("${(Q)words[1]/#\~\//$HOME/}" __complete "$line" 2>/dev/null)}"; do
        case $answer in
            (:files | :folders) paths=$answer ;;
            (?*) candidates+=("${${answer%%$'\t'*}//:/\\:}:${${answer#*$'\t'}#${answer%%$'\t'*}}") ;;
        esac
    done
    if (( $#candidates )); then
        _describe -V 'pixd' candidates
    fi
    if [[ -n $paths && $PREFIX == --*=* ]]; then
        compset -P '*='
    fi
    case $paths in
        (:files) _files ;;
        (:folders) _files -/ ;;
    esac
}

# Loaded by compinit from fpath, this file is the function's body; sourced, it only defines it.
if [[ $funcstack[1] == _pixd ]]; then
    _pixd "$@"
else
    compdef _pixd pixd
fi
