// Package backends is where logins come from. A Provider looks at a login request, says whether it is one of its own and
// verifies it; a Backend says what an accepted login may do and who it is. The words are those of backends.md sections 2
// to 4 of the contract. Implementations live in sub-packages, know nothing of HTTP or of each other, and are chosen in
// cmd/api by an explicit list; backendtest is the suite that each of them passes.
package backends
