package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	summer := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for tz, want := range map[string]string{
		"UTC+1":          "2026-07-01T11:00:00-01:00 UTC",
		"UTC-1":          "2026-07-01T13:00:00+01:00 UTC",
		"<+03>-3":        "2026-07-01T15:00:00+03:00 +03",
		"<-0330>3:30":    "2026-07-01T08:30:00-03:30 -0330",
		"XYZ-5:45":       "2026-07-01T17:45:00+05:45 XYZ",
		"EST5":           "2026-07-01T07:00:00-05:00 EST",
		"UTC0":           "2026-07-01T12:00:00Z UTC",
		"UTC":            "2026-07-01T12:00:00Z UTC",
		"Europe/Paris":   "2026-07-01T14:00:00+02:00 CEST",
		":Europe/Paris":  "2026-07-01T14:00:00+02:00 CEST",
		"EST5EDT":        "2026-07-01T08:00:00-04:00 EDT",
		"Etc/GMT+1":      "2026-07-01T11:00:00-01:00 -01",
		"America/Bogota": "2026-07-01T07:00:00-05:00 -05",
	} {
		loc, err := Location(tz)
		require.NoError(t, err, tz)
		require.Equal(t, want, summer.In(loc).Format("2006-01-02T15:04:05Z07:00 MST"), tz)
	}
	for _, tz := range []string{"CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST", "Mars/Olympus", "UTC+25", "UTC+1:60", "X+1", "../etc/passwd", "<+>3", "UTC+"} {
		_, err := Location(tz)
		require.Error(t, err, tz)
	}
	local, err := Location("")
	require.NoError(t, err)
	require.Same(t, time.Local, local)
}

func FuzzLocation(f *testing.F) {
	for _, tz := range []string{"", "UTC+1", "<+03>-3", "Europe/Paris", "CET-1CEST", ":UTC", "EST5", "UTC+24:59:59"} {
		f.Add(tz)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, tz string) {
		loc, err := Location(tz)
		require.Equal(t, err == nil, loc != nil)
		if err == nil {
			_, offset := at.In(loc).Zone()
			require.Less(t, max(offset, -offset), 25*3600)
		}
	})
}
