package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // IANA names work in an image without zone files.
)

// posixZone is a POSIX zone without daylight saving: name and offset.
var posixZone = regexp.MustCompile(`^(?:([A-Za-z]{3,16})|<([A-Za-z0-9+-]{3,16})>)([+-]?)([0-9]{1,2})(?::([0-5][0-9])(?::([0-5][0-9]))?)?$`)

// Location returns the zone that the variable TZ names. It knows IANA names
// and POSIX offsets, which Go's own handling of TZ ignores: "UTC+1" is UTC
// minus one hour, "<+03>-3" is UTC plus three. POSIX rules of daylight saving
// ("CET-1CEST") are refused. Empty means [time.Local].
func Location(tz string) (*time.Location, error) {
	tz = strings.TrimPrefix(tz, ":")
	if tz == "" {
		return time.Local, nil
	}
	if m := posixZone.FindStringSubmatch(tz); m != nil {
		hours, minutes, seconds := atoi(m[4]), atoi(m[5]), atoi(m[6])
		if hours > 24 {
			return nil, fmt.Errorf("time zone %q: offset of more than 24 hours", tz)
		}
		west := hours*3600 + minutes*60 + seconds
		if m[3] == "-" {
			west = -west
		}
		return time.FixedZone(m[1]+m[2], -west), nil
	}
	loc, err := time.LoadLocation(tz)
	if err != nil {
		return nil, fmt.Errorf("time zone %q is neither an IANA name nor a POSIX offset such as UTC+1", tz)
	}
	return loc, nil
}

// atoi reads at most two digits; an absent group is 0.
func atoi(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
