<?php
/* The page and the answers of 2.x: a message is left first, and its answer is fetched with the key it left. */
namespace Doorkey\Chat;

const NEWER_NONCE = 'aipkit_frontend_chat_nonce';

/** One element for each bot: a popup's wrapper, or a chat inline. */
function newer_page(): string
{
    $page = '';
    foreach (now('bots') as $bot) {
        $config = esc_attr(wp_json_encode([
            'botId' => (int) $bot,
            'ajaxUrl' => admin_url('admin-ajax.php'),
            'nonce' => wp_create_nonce(NEWER_NONCE),
            'postId' => get_the_ID(),
            'headerName' => "Bot $bot",
        ]));
        $id = now('popup') ? "aipkit_popup_wrapper_$bot" : "aipkit_chat_container_$bot";
        $page .= "<div id=\"$id\" data-config='$config'></div>";
    }
    return $page . "<script>localStorage.aipkit_guest_uuid ||= '5f0c9d7e-1f1e-4c55-9d3a-0c8f6f1a2b3c';</script>";
}

function newer_message(): never
{
    if (!check_ajax_referer(NEWER_NONCE, '_ajax_nonce', false)) {
        arrived('nonce');
        $message = 'Security check failed (nonce).';
        wp_send_json_error(['message' => $message, 'code' => 'nonce_failure_cache_sse'], 403);
    }
    $message = wp_unslash($_POST['message'] ?? '');
    if (trim($message) === '') {
        arrived('empty');
        wp_send_json_error(['message' => 'Message is empty.', 'code' => 'empty_data_to_cache'], 400);
    }
    $key = wp_generate_password(24, false);
    set_transient("doorkey_$key", $message, 300);
    arrived('');
    wp_send_json_success(['cache_key' => $key]);
}

function newer_stream(): never
{
    if (!check_ajax_referer(NEWER_NONCE, '_ajax_nonce', false)) {
        arrived('nonce');
        stream([newer_event('error', ['error' => 'Security check failed (nonce).', 'non_retryable' => true])]);
    }
    say_handed_in();
    $key = sanitize_key($_GET['cache_key'] ?? '') === '' ? '' : wp_unslash($_GET['cache_key']);
    $message = get_transient("doorkey_$key");
    // Once only: a key that somebody fetched with is gone.
    if ($message === false || !delete_transient("doorkey_$key")) {
        arrived('cache key');
        stream([newer_event('error', ['error' => 'The message could not be found.'])]);
    }
    arrived('');
    stream(newer_events("The blog heard: $message"));
}

function newer_nonce(): never
{
    arrived('');
    wp_send_json_success(['nonce' => wp_create_nonce(NEWER_NONCE)]);
}

function newer_events(string $answer): iterable
{
    yield ':' . str_repeat(' ', 2048) . "\n\n";
    yield newer_event('message_start', ['message_id' => 'aipkit-blog']);
    yield newer_event('status', ['status' => 'Processing request']);
    foreach (pieces($answer) as $words) {
        yield 'data: ' . wp_json_encode(['delta' => $words]) . "\n\n";
    }
    yield newer_event('done', ['finished' => true]);
}

function newer_event(string $name, array $data): string
{
    return "event: $name\ndata: " . wp_json_encode($data) . "\n\n";
}
