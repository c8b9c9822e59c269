package e2e

import "testing"

// TestTwoAPIsAndTwoWorkers is a whole installation in which nothing fails. What it does is looked through for secrets at
// its end.
func TestTwoAPIsAndTwoWorkers(t *testing.T) {
	t.Parallel()
	s := newStack(t, options{apis: 2, workers: 2})
	t.Run("while they work", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *stack){
			"a revoked token is refused everywhere at once":                 revokedIsRefusedEverywhere,
			"an expired token is refused on time and its row goes":          expiredIsRefusedOnTime,
			"a revoked token's lifetime ends at once":                       revokedLifetimeEnds,
			"parallel logins never exceed the quota":                        quotaHolds,
			"an offline login gives the same refresh token again":           offlineLogin,
			"a mobile login replaces the mobile refresh token":              mobileReplacement,
			"simultaneous mobile logins leave one mobile refresh token":     mobileRace,
			"bad fields of a login are refused":                             badLogins,
			"bad credentials are no credentials":                            badCredentials,
			"bad bodies of a scopes check are refused":                      badScopes,
			"what is no token is not found":                                 noTokens,
			"the table of accesses holds over HTTP":                         accessTable,
			"cancelling a lifetime in the Web UI revokes the token":         cancelledInWebUI,
			"sessions are listed and ended":                                 sessionsListedAndEnded,
			"the internal port tells what an operator has to know":          metricsAreThere,
			"a token of one second and a token of ten years have lifetimes": extremeLifetimes,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	t.Run("no secret is left anywhere", func(t *testing.T) { noSecrets(t, s) })
}
