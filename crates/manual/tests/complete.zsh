# Shows what a terminal with zsh shows after a line and two tabs, until it has a text, for ten seconds at most.
# Usage: complete.zsh FOLDER-OF-SCRIPT LINE TEXT
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "stty columns 200; fpath=(${(q)1} \$fpath); autoload -U compinit; compinit -u -D; listgate() { }; echo re''ady"
zpty -r shell shown $'*ready\r\n*'
zpty -w -n shell "$2"$'\t\t'
shown=
for _ in {1..100}; do
    while zpty -r -t shell part; do shown+=$part; done
    [[ $shown == *$3* ]] && break
    sleep 0.1
done
print -r -- "$shown"
zpty -d shell
