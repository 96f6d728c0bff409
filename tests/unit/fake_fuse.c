/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The functions below stand in for those of libfuse with the same names. As
 * there, the interrupt function is called with the request's lock held, also
 * from its registration; the answer does not take that lock.
 */
#include "fake_fuse.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fuse_req {
	void *userdata;
	pthread_mutex_t lock; /* held while `func` is called; guards it */
	fuse_interrupt_func_t func;
	void *data;
	bool interrupted;
	pthread_mutex_t answer_lock; /* guards all below */
	pthread_cond_t changed;
	bool abandoned;
	unsigned answers;
	struct fake_answer answer;
};

fuse_req_t fake_req_new(void *userdata)
{
	struct fuse_req *req = calloc(1, sizeof(*req));

	if (!req)
		abort();
	req->userdata = userdata;
	pthread_mutex_init(&req->lock, NULL);
	pthread_mutex_init(&req->answer_lock, NULL);
	pthread_cond_init(&req->changed, NULL);
	return req;
}

void fake_req_free(fuse_req_t req)
{
	pthread_mutex_destroy(&req->lock);
	pthread_mutex_destroy(&req->answer_lock);
	pthread_cond_destroy(&req->changed);
	free(req);
}

void fake_req_interrupt(fuse_req_t req)
{
	pthread_mutex_lock(&req->lock);
	req->interrupted = true;
	if (req->func)
		req->func(req, req->data);
	pthread_mutex_unlock(&req->lock);
}

const struct fake_answer *fake_req_wait(fuse_req_t req)
{
	pthread_mutex_lock(&req->answer_lock);
	while (req->answers == 0)
		pthread_cond_wait(&req->changed, &req->answer_lock);
	pthread_mutex_unlock(&req->answer_lock);
	return &req->answer;
}

bool fake_req_is_answered(fuse_req_t req)
{
	bool is;

	pthread_mutex_lock(&req->answer_lock);
	is = req->answers > 0;
	pthread_mutex_unlock(&req->answer_lock);
	return is;
}

void fake_req_abandon(fuse_req_t req)
{
	pthread_mutex_lock(&req->answer_lock);
	req->abandoned = true;
	pthread_mutex_unlock(&req->answer_lock);
}

static int answer(fuse_req_t req, const struct fake_answer *a)
{
	int result;

	pthread_mutex_lock(&req->answer_lock);
	if (req->answers++ > 0) {
		fprintf(stderr, "a request was answered twice\n");
		abort();
	}
	req->answer = *a;
	result = req->abandoned ? -ENOENT : 0;
	pthread_cond_broadcast(&req->changed);
	pthread_mutex_unlock(&req->answer_lock);
	return result;
}

/* --- What the view calls ------------------------------------------------- */

void *fuse_req_userdata(fuse_req_t req)
{
	return req->userdata;
}

void fuse_req_interrupt_func(fuse_req_t req, fuse_interrupt_func_t func,
			     void *data)
{
	pthread_mutex_lock(&req->lock);
	req->func = func;
	req->data = data;
	if (req->interrupted && func)
		func(req, data);
	pthread_mutex_unlock(&req->lock);
}

int fuse_reply_err(fuse_req_t req, int error)
{
	struct fake_answer a = {.error = error};

	return answer(req, &a);
}

void fuse_reply_none(fuse_req_t req)
{
	struct fake_answer a = {0};

	answer(req, &a);
}

int fuse_reply_entry(fuse_req_t req, const struct fuse_entry_param *e)
{
	struct fake_answer a = {.entry = *e};

	return answer(req, &a);
}

int fuse_reply_attr(fuse_req_t req, const struct stat *attr, double timeout)
{
	struct fake_answer a = {.attr = *attr, .timeout = timeout};

	return answer(req, &a);
}

int fuse_reply_buf(fuse_req_t req, const char *buf, size_t size)
{
	struct fake_answer a = {.len = size};

	if (size > sizeof(a.data))
		abort();
	memcpy(a.data, buf, size);
	return answer(req, &a);
}

int fuse_reply_readlink(fuse_req_t req, const char *link)
{
	return fuse_reply_buf(req, link, strlen(link));
}

int fuse_reply_xattr(fuse_req_t req, size_t count)
{
	struct fake_answer a = {.len = count};

	return answer(req, &a);
}

int fuse_reply_statfs(fuse_req_t req, const struct statvfs *st)
{
	struct fake_answer a = {.len = st->f_namemax};

	return answer(req, &a);
}
