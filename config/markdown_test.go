package config

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

func TestDocumentationIsThatOfTheTags(t *testing.T) {
	t.Parallel()
	const path = "../docs/configuration.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(Markdown()), 0o644))
	}
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(page), Markdown(), "run: go test ./config -run Documentation -update")
}
