#!/bin/sh
# The images of namespaces, and what they set as PYTHONPATH, as lines for `image-pythonpath` in parameters.yaml. Run
# it before you label a namespace, for all that are labelled:
#   k8s/policy/image-paths.sh TEAM...
# It asks as you for the pods and templates of pods that are there now, and looks at their images with your logins
# at registries. It needs kubectl, jq, and skopeo, crane or docker with buildx. An image that it could not look at
# is named on stderr, and the exit status is 1.
set -eu

: "${1:?"usage: $0 NAMESPACE..."}"
status=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM # what it read of pods stays nowhere

complain() {
    echo "image-paths: $1" >&2
    status=1
}

if command -v skopeo >/dev/null; then
    # Of a tag and a digest it takes one.
    look() {
        skopeo --override-os linux --override-arch "$2" inspect --config \
            "docker://$(echo "$1" | sed 's|:[^/:@]*@|@|')"
    }
elif command -v crane >/dev/null; then
    look() { crane --platform "linux/$2" config -- "$1"; }
elif docker buildx version >/dev/null 2>&1; then
    look() { docker buildx imagetools inspect --format '{{json .Image}}' -- "$1"; }
else
    complain "needs skopeo, crane or docker with buildx"
    exit "$status"
fi

kubectl get namespaces "$@" >/dev/null # what is in one that does not exist is an empty list
groups='apps|batch|batch[.]volcano[.]sh|kubeflow[.]org|(jobset|leaderworkerset)[.]x-k8s[.]io|ray[.]io'
kinds=$(kubectl api-resources --namespaced --verbs=list --output=name |
    grep -E "^(pods|podtemplates|replicationcontrollers)$|[.]($groups)$" |
    grep -v '^controllerrevisions[.]' | paste -s -d , -)
for namespace; do
    kubectl get "$kinds" --namespace="$namespace" --output=json ||
        complain "not all of namespace $namespace could be read"
done >"$folder/objects"
jq -nr '[inputs | .. | objects | .containers? | arrays[] | objects | .image? | strings] | unique[]' \
    "$folder/objects" >"$folder/images"
[ -s "$folder/images" ] || echo "image-paths: there are no images in $*" >&2

# Of one whose path is unknown, the name alone.
while read -r image; do
    if ! { look "$image" amd64 || look "$image" arm64; } >"$folder/config" 2>"$folder/error" </dev/null; then
        complain "$image: cannot be looked at: $(tail -n 1 "$folder/error")"
        echo "$image"
        continue
    fi
    # Kubernetes writes $ as $$.
    path=$(jq -r '[.. | objects | .Env? | arrays[] | select(startswith("PYTHONPATH="))] | last // ""
        | ltrimstr("PYTHONPATH=") | gsub("[$]"; "$$")' "$folder/config")
    case $path in
    *[[:space:]#]*)
        complain "$image: no line can hold its path, but the annotation of a pod: $path"
        echo "$image"
        ;;
    *) printf '%s\t%s\n' "$image" "$path" ;;
    esac
done <"$folder/images" >"$folder/paths"

# One line for all tags of an image, unless they differ, or one is unknown, which would be told by the others.
jq -nRr '[inputs / "\t" | {image: .[0], path: .[1], name: (.[0] | sub("@.*"; "") | sub(":[^/]*$"; ""))}]
    | group_by(.name)[] | if (map(.path) | unique | length) == 1 then [first | .image = .name] else . end
    | .[] | select(.path) | "\(.image) \(.path)" | rtrimstr(" ")' "$folder/paths"
exit "$status"
