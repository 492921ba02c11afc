# Completion of pixd for fish. To install it for yourself:
#   mkdir -p ~/.config/fish/completions
#   pixd completions fish > ~/.config/fish/completions/pixd.fish

function __pixd_complete
    set -l line (commandline -cp)
    set -l program (commandline -opc)[1]
    set -l word (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    for answer in (eval (string escape -- $program) __complete '$line' 2>/dev/null)
        switch $answer
            case :files
                __fish_complete_path "$word"
            case :folders
                __fish_complete_directories "$word" ''
            case '*'
                printf '%s\n' $answer
        end
    end
end

complete -c pixd -f -k -a '(__pixd_complete)'
