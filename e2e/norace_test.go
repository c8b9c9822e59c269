//go:build !race

package e2e

// raceEnabled: the programs under test are built like the tests.
const raceEnabled = false
