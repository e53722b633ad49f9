/* point.h -- named points in the code, for tests. */
#ifndef SHM_POINT_H
#define SHM_POINT_H

/* A test that kills processes at points, or counts them, defines it; else it is
 * nothing. */
#ifndef SHM_POINT
#define SHM_POINT(name) ((void)0)
#endif

#endif
