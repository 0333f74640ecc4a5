package burst

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// WriteCSV writes a line for each second.
func (r Result) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"second", "offered", "good", "late", "errors", "gave_up", "lost", "attempts", "wait_ms", "p50_ms", "p99_ms", "max_ms"})
	for _, s := range r.Seconds {
		row := []string{}
		for _, n := range []int{s.At, s.Offered, s.Good, s.Late, s.Errors, s.GaveUp, s.Lost, s.Attempts} {
			row = append(row, strconv.Itoa(n))
		}
		for _, ms := range []float64{s.WaitMS, s.P50MS, s.P99MS, s.MaxMS} {
			row = append(row, fmt.Sprintf("%.2f", ms))
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}

// WriteJSON writes all of it.
func (r Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
