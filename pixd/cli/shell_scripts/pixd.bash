# Completion of pixd for bash (4.4 or newer). To install it for yourself:
#   mkdir -p ~/.local/share/bash-completion/completions
#   pixd completions bash > ~/.local/share/bash-completion/completions/pixd
# or, without the package bash-completion, in ~/.bashrc:  source <(pixd completions bash)

_pixd() {
    local line=${COMP_LINE:0:COMP_POINT} candidate path word kept
    local -a answers
    COMPREPLY=()
    mapfile -t answers < <("${1/#\~\//$HOME/}" __complete "$line" 2>/dev/null)

    # Bash replaces only $2, the part of the word after a colon, an equals sign or up to an at
    # sign; candidates are whole words, and lose what stays.
    word=${line##*[[:space:]]}
    kept=${word%"$2"}
    [[ $word == *"$2" ]] || kept=
    for candidate in "${answers[@]}"; do
        case $candidate in
        :files | :folders) path=$candidate ;;
        *)
            candidate=${candidate%%$'\t'*}
            COMPREPLY+=("${candidate#"$kept"}")
            ;;
        esac
    done

    if [[ -n $path && ${#COMPREPLY[@]} -eq 0 ]]; then
        # Nothing but paths: readline completes them best, quoting and all.
        if [[ $path == :folders ]]; then
            compopt -o dirnames
        else
            compopt -o default
        fi
    elif [[ -n $path ]]; then
        while IFS= read -r candidate; do
            if [[ -d $candidate ]]; then
                candidate+=/
            fi
            printf -v candidate %q "$candidate"
            COMPREPLY+=("$candidate")
        done < <(compgen -f -- "$2")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace
    fi
}

complete -o nosort -F _pixd pixd
