/* message.h -- words that several error messages share. */
#ifndef WEIR_REDIS_MESSAGE_H
#define WEIR_REDIS_MESSAGE_H

/* Connecting took too long. The sentence goes on with the step that did. */
#define NO_CONNECTION "no connection in time"

/* The command was sent, and the time for its reply is over. */
#define NO_ANSWER "no answer in time"

#endif
