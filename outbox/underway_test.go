package outbox

import (
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
)

func TestRangesHoldWhatIsUnderWayAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ ids, bounds []int64 }{
		"nothing":    {nil, nil},
		"one":        {[]int64{7}, []int64{7, 7}},
		"neighbours": {[]int64{9, 7, 8}, []int64{7, 9}},
		"gap":        {[]int64{1, 2, 4, 6, 7}, []int64{1, 2, 4, 4, 6, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.bounds, bounds(t, tc.ids))
		})
	}
	t.Run("any", func(t *testing.T) {
		t.Parallel()
		var ids []int64
		for id := range int64(1000) {
			if rand.IntN(2) == 0 {
				ids = append(ids, id)
			}
		}
		list := bounds(t, ids)
		var held []int64
		for i := 0; i < len(list); i += 2 {
			if i > 0 {
				require.Greater(t, list[i], list[i-1]+1, "neighbours share a range")
			}
			for id := list[i]; id <= list[i+1]; id++ {
				held = append(held, id)
			}
		}
		require.Equal(t, ids, held)
	})
}

// bounds are the first and the last id of each range.
func bounds(t *testing.T, ids []int64) []int64 {
	t.Helper()
	u := underway{ids: make(map[int64]struct{})}
	for _, id := range ids {
		u.add(id)
	}
	ranges, n := u.ranges()
	require.NotNil(t, ranges, "NULL would exclude every row")
	require.Equal(t, len(ids), n)
	var list []int64
	for _, r := range ranges {
		require.Equal(t, []any{true, pgtype.Inclusive, pgtype.Inclusive}, []any{r.Valid, r.LowerType, r.UpperType})
		list = append(list, r.Lower.Int64, r.Upper.Int64)
	}
	return list
}
