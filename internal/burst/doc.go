// Package burst puts the load of a greeting-card site on a MySQL address, as a crowd does:
// requests come when people want something, whether others have been served or not. Who
// gets no answer in time goes, or tries again. So it shows what a server does past
// saturation, which clients that wait for their turn hide.
//
//	shape.go   how many requests come when: a file, or ramp, step and midnight
//	site.go    the site: its tables, and what people do there
//	run.go     the crowd; count.go: what became of it, second by second
//	report.go  CSV and JSON; draw.go: a picture
//
// A request's time counts from when it was wanted. Good is what was answered without an
// error within [Options].Good; everything else of what was offered was not.
//
// It writes into one schema of its own ([Schema]), which it makes and drops. It is tested
// against a real server, and shapes and pictures by tables.
package burst
