# Prints what bash offers for a command line. Usage: complete.bash SCRIPT WORD... (the last word is being completed)
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_listgate listgate "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
