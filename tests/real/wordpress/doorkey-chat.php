<?php
/*
 * Plugin Name: doorkey's chat
 * Description: Answers as the plugin AI Power was seen to, by generation and mode; written for doorkey's tests.
 *
 * Nonces, sanitizing and refusals are WordPress' own functions. What the site's AI backend, its quota and its bans would
 * say is handed in as it is, by `answer` in switches.json.
 */
namespace Doorkey\Chat;

require __DIR__ . '/doorkey-chat/switches.php';
require __DIR__ . '/doorkey-chat/classic.php';
require __DIR__ . '/doorkey-chat/newer.php';

add_shortcode('doorkey_chat', fn () => newer() ? newer_page() : classic_page());
add_action('wp_enqueue_scripts', __NAMESPACE__ . '\scripts');
add_action('wp_footer', __NAMESPACE__ . '\widget');

// A site in another language says what WordPress says in other words.
add_filter('gettext', function (string $said, string $text) {
    $expired = $text === 'The link you followed has expired.';
    return now('german') && $expired ? 'Der Link, dem du gefolgt bist, ist abgelaufen.' : $said;
}, 10, 2);

$handlers = newer() ? [
    'aipkit_frontend_chat_message' => 'newer_whole',
    'aipkit_cache_sse_message' => 'newer_cache',
    'aipkit_frontend_chat_stream' => 'newer_stream',
    'aipkit_get_frontend_chat_nonce' => 'newer_nonce',
] : [
    'wpaicg_chat_shortcode_message' => 'classic_message',
    'wpaicg_chatbox_message' => 'classic_message',
];
foreach (now('gone') ? [] : $handlers as $action => $handler) {
    add_action("wp_ajax_$action", __NAMESPACE__ . "\\$handler");
    add_action("wp_ajax_nopriv_$action", __NAMESPACE__ . "\\$handler");
}

add_action('admin_init', function () use ($handlers) {
    $action = $_REQUEST['action'] ?? '';
    // A question that no plugin knows is counted, too: WordPress says 0 to it.
    $question = preg_match('/^(wpaicg|aipkit)_/', $action);
    if (wp_doing_ajax() && $question && (now('gone') || !isset($handlers[$action]))) {
        arrived('action');
    }
    // Another plugin of the site, which guards every request by a nonce of its own.
    if (wp_doing_ajax() && now('guarded')) {
        arrived('guard');
        check_ajax_referer('guard', 'guard');
    }
});
