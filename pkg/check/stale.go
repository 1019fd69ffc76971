package check

import (
	"time"

	"tributary/pkg/api"
)

// staleAfter is the age at which a report is no evidence of the present. The mirror refuses to answer with older ones itself.
const staleAfter = 30 * time.Second

// Stale returns the result of a check whose report is too old to judge by, and whether it is.
func Stale(r *api.Status, check string, now time.Time) (Result, bool) {
	if r.Time.IsZero() || now.Sub(r.Time) < staleAfter {
		return Result{}, false
	}
	return NewResult(check, Unknown, "the mirror looked at its links "+Short(now.Sub(r.Time))+" ago, and knows nothing newer; see its log"), true
}
