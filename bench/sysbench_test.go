package main

import (
	"strings"
	"testing"
)

// printed is what sysbench 1.0.20 writes for `--histogram=on`.
const printed = `sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)

Running the test with following options:
Number of threads: 2
Initializing random number generator from current time


Initializing worker threads...

Threads started!

Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.050 |**                                       10
       0.100 |**************************************** 80
       2.000 |                                         9
      50.000 |                                         1
 
SQL statistics:
    queries performed:
        read:                            100
        write:                           0
        other:                           0
        total:                           100
    transactions:                        100    (9.99 per sec.)
    queries:                             100    (9.99 per sec.)
    ignored errors:                      3      (0.30 per sec.)
    reconnects:                          0      (0.00 per sec.)

General statistics:
    total time:                          10.0104s
    total number of events:              100

Latency (ms):
         min:                                    0.04
         avg:                                    0.10
         max:                                   50.11
         95th percentile:                        2.00
         sum:                                   10.10

Threads fairness:
    events (avg/stddev):           50.0000/0.00
    execution time (avg/stddev):   0.0050/0.00
`

func TestParseSysbench(t *testing.T) {
	got, err := parseSysbench(printed)
	want := result{Queries: 100, Seconds: 10.0104, Errors: 3, P50: 0.1, P95: 2, P99: 2}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestParseSysbenchRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":      "",
		"an error":     "FATAL: unable to connect to MySQL server\n",
		"no histogram": strings.ReplaceAll(printed, "|", "!"),
		"no queries":   strings.ReplaceAll(printed, "    queries:  ", "    requests: "),
		"no time":      strings.ReplaceAll(printed, "total time:", "time:"),
	} {
		if got, err := parseSysbench(text); err == nil {
			t.Errorf("%s: got %+v and no error", name, got)
		}
	}
}

func TestPercentile(t *testing.T) {
	histogram := []bucket{{1, 50}, {2, 49}, {3, 1}}
	for q, want := range map[float64]float64{0: 1, 0.5: 1, 0.51: 2, 0.99: 2, 0.995: 3, 1: 3} {
		if got := percentile(histogram, q); got != want {
			t.Errorf("percentile %v is %v, want %v", q, got, want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing is %v", got)
	}
}

// TestWatchTakesTheWindow: CPU is counted between the two lines, not before.
func TestWatchTakesTheWindow(t *testing.T) {
	u, text, err := watch(strings.NewReader(printed), meter{Client: self()})
	if err != nil || text != printed {
		t.Fatalf("%v; read %d of %d bytes", err, len(text), len(printed))
	}
	if u.Seconds <= 0 || u.Seconds > 5 {
		t.Errorf("a window of %v seconds", u.Seconds)
	}
	for name, text := range map[string]string{
		"no end":   strings.SplitAfter(printed, "Threads started!\n")[0],
		"no start": strings.ReplaceAll(printed, "Threads started!", ""),
	} {
		if _, _, err := watch(strings.NewReader(text), meter{Client: self()}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
