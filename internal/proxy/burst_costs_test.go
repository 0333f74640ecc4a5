package proxy

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// costs is where the CPU time of a run went. Zero: nowhere.
type costs struct {
	server, proxy, clients time.Duration
	idle                   time.Duration // of all cores
	transactions           float64
}

// ticks is how finely the kernel counts (proc(5): USER_HZ).
const ticks = 10 * time.Millisecond

// costsOf reads what a server and a proxy have used until now; proxy 0: none.
func costsOf(t *testing.T, server, proxy int) costs {
	t.Helper()
	of := func(path string, skip, n int) (sum time.Duration) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if at := strings.LastIndexByte(line, ')'); at >= 0 {
			line = line[at+1:] // a process's name may have spaces
		}
		for _, field := range strings.Fields(line)[skip : skip+n] {
			n, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(n) * ticks
		}
		return sum
	}
	process := func(pid int) time.Duration {
		if pid == 0 {
			return 0
		}
		return of(fmt.Sprintf("/proc/%d/stat", pid), 11, 2) // utime, stime
	}
	return costs{server: process(server), proxy: process(proxy), idle: of("/proc/stat", 4, 2)} // idle, iowait
}

func (c costs) less(before costs) costs {
	return costs{server: c.server - before.server, proxy: c.proxy - before.proxy, idle: c.idle - before.idle}
}

// plus adds a run whose clients reported f.
func (c costs) plus(run costs, f figure) costs {
	return costs{
		server: c.server + run.server, proxy: c.proxy + run.proxy, idle: c.idle + run.idle,
		clients: c.clients + f.CPU, transactions: c.transactions + f.Transactions,
	}
}

func (c costs) String() string {
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / c.transactions }
	return fmt.Sprintf("server %.0f, proxy %.0f, clients %.0f, idle %.0f", each(c.server), each(c.proxy), each(c.clients), each(c.idle))
}
